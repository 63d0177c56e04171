"""What a training takes before it begins: memory per GPU and hours."""
