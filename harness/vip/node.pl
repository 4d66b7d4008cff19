#!/usr/bin/perl
# node.pl: says whether this node holds the shared address, and keeps the
# arbiter's lease for it where there is an arbiter. Environment:
#
#   HADRILL_SHARED   the shared address
#   HADRILL_NODE     this node's name
#   HADRILL_ARBITER  the arbiter's address; empty: there is none
#   HADRILL_TERM_MS  how long a lease lasts since it was asked for
#   HADRILL_YIELD_MS how long not to ask for it at first: the other is preferred
#
# Answers every connection to port 8077 with "held" or "not held". The kernel
# knows: an address can be bound to if it is the machine's own.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($shared, $node) = @ENV{qw(HADRILL_SHARED HADRILL_NODE)};
my $arbiter = $ENV{HADRILL_ARBITER} // '';
my $term    = ($ENV{HADRILL_TERM_MS} // 600) / 1000;
my $pause   = $term / 6;     # between two requests
my $margin  = $term / 10;    # for keepalived to take the address away
my $yield   = ($ENV{HADRILL_YIELD_MS} // 0) / 1000;
my $run     = '/run/hadrill';

$SIG{PIPE} = 'IGNORE';
my $web = IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => 8077, Listen => 64, ReuseAddr => 1)
  or die "listen on port 8077: $!\n";
my $wait = IO::Select->new($web);
my $lease;
if ($arbiter) {
    $lease = IO::Socket::INET->new(Proto => 'udp', PeerAddr => $arbiter, PeerPort => 8076) or die "socket to $arbiter: $!\n";
    $wait->add($lease);
}

sub now { clock_gettime(CLOCK_MONOTONIC) }

sub held { defined IO::Socket::INET->new(Proto => 'udp', LocalAddr => $shared) }

sub well {
    open my $file, '<', "$run/service" or return 1;
    my $code = <$file> // '';
    return $code !~ /^1/;
}

my $missing = 1;
sub lease_missing {
    my ($now_missing) = @_;
    return if $now_missing == $missing;
    open my $file, '>', "$run/lease" or die "write $run/lease: $!\n";
    print $file "$now_missing\n";
    close $file;
    print $now_missing ? "lease lost\n" : "lease held\n";
    $missing = $now_missing;
}
$| = 1;

my ($until, $next, $number, %sent) = (0, now() + $yield, 0);
while (1) {
    my $now = now();
    if ($arbiter && $now >= $next) {
        $next = $now + $pause;
        if (well()) {
            $sent{++$number} = $now;
            delete $sent{$number - 20};
            send $lease, "take $node $number", 0;
        }
        elsif (!$missing || $until) {
            lease_missing(1);
            $until = 0;
            %sent  = ();
        }
        elsif (!held()) {
            send $lease, "drop $node 0", 0;
        }
    }
    for my $ready ($wait->can_read($arbiter ? 0.02 : 1)) {
        if ($ready == $web) {
            my $client = $web->accept or next;
            # Read before closing: what is unread would turn the close into a reset.
            sysread $client, my $request, 4096 if IO::Select->new($client)->can_read(0.05);
            my $said = held() ? 'held' : 'not held';
            syswrite $client, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " . length($said) . "\r\n\r\n$said";
            shutdown $client, 1;
            close $client;
        }
        else {
            recv $lease, my $answer, 256, 0;
            my ($verb, $which) = split ' ', $answer // '';
            my $began = delete $sent{$which // ''};
            if (defined $began && $verb eq 'granted') {
                $until = $began + $term - $margin;
            }
        }
    }
    lease_missing(now() < $until ? 0 : 1) if $arbiter;
}
