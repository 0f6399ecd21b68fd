"""What people type: show, predict, export, init, and how the command line reads."""
