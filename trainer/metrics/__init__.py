"""What a training reports: losses, speed, utilisation, the journal."""
