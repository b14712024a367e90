"""Operations of the model: PyTorch's own, and faster ones for a CPU or a GPU."""
