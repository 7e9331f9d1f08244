"""What a training starts from: tokenizer, backbones, pretraining, the model of the recipe."""
