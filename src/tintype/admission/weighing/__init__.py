"""What the gate weighs a newcomer by: the work ahead, how long such work waited, and what was refused a moment ago."""
