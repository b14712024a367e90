"""Views: batched tensor code from stored frames to tokens."""
