mkdir t; echo f > t/f; tar --owner=0 --group=0 -czf t.tar.gz t; rm -r t
