"""The record of a restoration, what gives it back, and what can be checked of it by somebody who was not there."""
