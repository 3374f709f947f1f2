"""The classifiers: `NAME.py`, with _ for -, is `--classifier NAME` and holds the record CLASSIFIER; torchvision.py is any network."""
