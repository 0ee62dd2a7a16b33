mkdir -p tree/empty tree/closed && chmod 711 tree/dir && chmod 500 tree/closed && ln -s dir/file tree/link && ln -s dir tree/linked-dir
