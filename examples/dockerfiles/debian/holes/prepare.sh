truncate -s 4M image.raw; printf head | dd of=image.raw conv=notrunc status=none; printf tail | dd of=image.raw bs=1 seek=4000000 conv=notrunc status=none
