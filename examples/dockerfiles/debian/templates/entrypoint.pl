use strict;
use warnings;

while (<>) {
    s/\$\{(\w+)\}/$ENV{$1} \/\/ "?"/ge;
    print;
}
open my $build, '<', '/etc/app/build' or die;
print <$build>;
