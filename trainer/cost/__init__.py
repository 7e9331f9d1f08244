"""What a training costs: FLOPs and memory, from the model's shapes."""
