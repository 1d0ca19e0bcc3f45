"""What a person sees of a restoration."""
