"""The report on a training: figures, measures, verdict and page."""
