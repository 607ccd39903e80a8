"""Numbers, sizes and times for people."""
from django import template

register = template.Library()
