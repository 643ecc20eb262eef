"""Which files hold tests that cannot run beside many others."""

ALONE = {  # files whose tests measure the machine, or keep it busy: one at a time
    *("bench/test_bench.py", "bench/test_disturbance.py", "measure/test_soak.py", "rig/test_live_guards.py"),
}
LIVE = {  # files whose tests play on a sound server of their own in real time: they wait more than they compute
    *("capture/test_live.py", "cli/test_screen.py", "control/test_midi.py", "io/test_grants.py", "io/test_jack.py"),
    *("io/test_jack_changes.py", "io/test_jack_clients.py", "io/test_pipewire.py", "io/test_watching.py"),
}
KINDS = {"alone": ALONE, "live": LIVE}
