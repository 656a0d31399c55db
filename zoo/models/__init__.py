"""The models, one file a family. Importing this package registers them all."""

from zoo.models import cnn, embed, mlp, multitask, resnet, rnn, table, tagger, text  # noqa: F401
