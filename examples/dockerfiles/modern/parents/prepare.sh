chmod 700 a/b && chmod 600 a/d/m.md && ln -s d a/link
