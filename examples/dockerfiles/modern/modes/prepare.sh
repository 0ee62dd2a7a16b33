chmod 640 tree/f; chmod 6755 tree/suid; chmod 750 tree/sub
