mkdir -p t/d; echo file > t/d/file; ln t/d/file t/d/hard; ln -s file t/d/soft
tar --sort=name --owner=7 --group=8 --numeric-owner -C t -cf - . | bzip2 > bz2.tar.bz2
tar --sort=name --owner=0 --group=0 -C t -cf - --transform 's,^[.],other,' ./d | xz > xz.tar.xz
rm -r t
