"""What the applications ask: the word by which a test finds out where the text of a message went."""

QUESTION = "Does the heron know the weather?"
MODEL = "small-1"
