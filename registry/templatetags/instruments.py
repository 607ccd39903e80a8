"""Server-rendered SVG instruments."""
from django import template

register = template.Library()
