"""Takes every row from the source to a durable outcome; sees the world through `fanout.ports` alone."""
