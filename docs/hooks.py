"""Pages of the site that are files of the repository's root; and no page fetches anything from elsewhere."""

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: Any) -> Files:
    """Adds CONTRIBUTING.md and CHANGELOG.md. Their links lead from the root: those into docs/ are kept, of others the text is."""
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        text = Path(config.config_file_path).with_name(name).read_text("utf-8")
        text = re.sub(r"\[([^\]]+)\]\((?!docs/|#|\w+:)[^)]*\)", r"\1", text).replace("](docs/", "](")
        files.append(File.generated(config, name.lower(), content=text))
    return files


def on_post_page(output: str, page: Any, config: Any) -> None:
    """Raises PluginError for a page with a script, a style, a font or a picture of another site."""
    if found := re.search(r'<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*"', output):
        raise PluginError(f"{page.file.src_uri}: {found[0]} is fetched from another site")
