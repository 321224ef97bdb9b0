from helpers.tiny_recipes import classifier_recipe, tiny_recipe

__all__ = ["classifier_recipe", "tiny_recipe"]
