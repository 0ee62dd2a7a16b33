mkdir t; for name in first second third; do mkdir t/$name; printf begin > t/$name/holes; truncate -s 300000 t/$name/holes; printf middle | dd of=t/$name/holes bs=1 seek=150000 conv=notrunc status=none; truncate -s 70000 t/$name/empty; done
touch -d @1000000000 t/*/*; touch -d @1000000001 t/*
pack() { name=$1; shift; tar --sparse --hole-detection=raw --sort=name --owner=7 --group=8 --numeric-owner -C t "$@" -cf - $name; }
pack first --format=posix --sparse-version=0.0 > first.tar; pack second --format=posix --sparse-version=0.1 > second.tar
pack third --format=posix --sparse-version=1.0 | xz > third.tar.xz
rm -r t
