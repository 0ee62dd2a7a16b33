package Count::Words;
use strict;
use warnings;

sub count {
    my %seen;
    for my $path (@_) {
        open my $file, '<', $path or die "$path: $!\n";
        while (<$file>) { $seen{ lc $_ }++ for /\w+/g }
    }
    return map { [ $_, $seen{$_} ] } sort keys %seen;
}

1;
