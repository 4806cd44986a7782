"""Which hair, beard, brows and lashes a synthetic person has."""

from __future__ import annotations
