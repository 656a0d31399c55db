"""`python -m zoo.recipes > recipes/schema.json`: the recipe's JSON Schema, for editors."""

import json

from zoo.recipes import Recipe

print(json.dumps(Recipe.model_json_schema(), indent=1))
