"""What is known of noise, and how it is found."""

from bigprior.noise.found import Grain, noise_by
from bigprior.noise.known import Noise
from bigprior.noise.light import noise_in_light, shot_of
from bigprior.noise.white import noise_of

__all__ = ["Grain", "Noise", "noise_by", "noise_in_light", "noise_of", "shot_of"]
