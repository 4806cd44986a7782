"""HTML pages from a package's templates, which escape every value but what they call safe."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render_page(package: str, template: str, **values: Any) -> str:
    """The text of a template in the folder `templates` of a package, such as "fitme.report".

    The text can always be encoded: what is left of a file name that is not UTF-8 is spelled out.
    Raises jinja2.UndefinedError for a value that the template wants and `values` lacks.
    """
    text = _environment(package).get_template(template).render(values)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def package_text(package: str, *names: str) -> str:
    """The text of files of a package, one after the other."""
    folder = resources.files(package)
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


@functools.cache
def _environment(package: str) -> Environment:
    return Environment(
        loader=PackageLoader(package, "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
