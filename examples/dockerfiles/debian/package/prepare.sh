mkdir -p agent/DEBIAN agent/usr/bin agent/etc
printf 'Package: agent\nVersion: 1.2\nArchitecture: all\nMaintainer: us <us@example.org>\nDescription: an agent\n' > agent/DEBIAN/control
printf '/etc/agent.conf\n' > agent/DEBIAN/conffiles
printf '#!/bin/sh\necho agent 1.2\n' > agent/usr/bin/agent
printf '#!/bin/sh\necho configured > /var/lib/agent.state\n' > agent/DEBIAN/postinst
echo 'level = info' > agent/etc/agent.conf
chmod 0755 agent/usr/bin/agent agent/DEBIAN/postinst; chmod 0640 agent/etc/agent.conf
dpkg-deb --root-owner-group --build agent agent.deb > /dev/null
rm -r agent
