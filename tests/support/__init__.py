"""What tests share: golden cases, small models, published folders, comparisons."""
