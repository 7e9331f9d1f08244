"""The network: Flamingo over any decoder and vision encoder of transformers.

Depends on torch and transformers only, not on datasets, Ray or training.
"""

from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor

from m3w.model.config import FlamingoConfig
from m3w.model.flamingo import Flamingo, FlamingoOutput
from m3w.model.processor import FlamingoProcessor

AutoConfig.register(FlamingoConfig.model_type, FlamingoConfig)
AutoModel.register(FlamingoConfig, Flamingo)
AutoModelForCausalLM.register(FlamingoConfig, Flamingo)
AutoModelForImageTextToText.register(FlamingoConfig, Flamingo)
AutoProcessor.register(FlamingoConfig, FlamingoProcessor)

__all__ = ["Flamingo", "FlamingoConfig", "FlamingoOutput", "FlamingoProcessor"]
