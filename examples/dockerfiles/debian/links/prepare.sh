mkdir links; echo first > links/first; ln links/first links/second; ln -s first links/symbolic; ln -s /etc/passwd links/absolute; ln -s ../outside links/upwards
