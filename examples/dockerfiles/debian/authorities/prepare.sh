openssl req -x509 -newkey rsa:2048 -nodes -keyout company.key -out company.crt -subj '/CN=Company CA' -days 3650 2>/dev/null
