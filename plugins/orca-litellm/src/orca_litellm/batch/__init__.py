"""Provider batch APIs: half the price, within a day."""
