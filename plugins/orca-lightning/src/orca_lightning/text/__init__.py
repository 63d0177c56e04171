"""Text as tokens: chat templates, tokenizers, and examples laid out on disk."""
