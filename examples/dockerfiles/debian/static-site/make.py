import pathlib
import string
import sys

title, source, target = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
for template in sorted(source.rglob("*.html")):
    page = target / template.relative_to(source)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(string.Template(template.read_text()).substitute(title=title))
