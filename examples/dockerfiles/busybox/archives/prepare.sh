mkdir -p t/d t/modes; echo file > t/d/file; ln t/d/file t/d/hard; ln -s file t/d/soft; echo x > t/modes/setuid; chmod 4711 t/modes/setuid; chmod 1770 t/modes; mkfifo t/pipe
touch -d @1000000000 t/d/file t/d/soft t/modes/setuid; touch -d @1000000001 t/d t/modes t
tar --sort=name --owner=7 --group=8 --numeric-owner -C t -cf plain.tar .
gzip -nk plain.tar; mv plain.tar.gz gz.tar.gz
cp gz.tar.gz misnamed.bin; printf 'PK\003\004not really' > plain.zip; echo alone | gzip -n > one.gz
rm -r t
