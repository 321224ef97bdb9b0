from helpers.tiny_recipes import classifier_recipe, tiny_recipe
from helpers.tiny_teacher import taught_corpus, taught_recipe

__all__ = ["classifier_recipe", "taught_corpus", "taught_recipe", "tiny_recipe"]
