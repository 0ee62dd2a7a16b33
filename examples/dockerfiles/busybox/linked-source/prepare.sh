ln -s file link-to-file; ln -s dir link-to-dir; mkdir holder; ln -s ../file holder/up; ln -s nowhere holder/dangling; ln -s /etc holder/absolute
