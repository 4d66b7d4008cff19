// Package engine stands between hadrill and the container engine of this
// machine: it finds the engine, or installs and starts it; it makes the images
// that drills run; and it says what the machine can and cannot do.
//
//	           hadrill setup                      a drill
//	                |                                |
//	             Setup ------------------------> Connect
//	 apt-get, systemctl or dockerd,                  |
//	 only where nothing answers              unix socket, API client,
//	                |                        testcontainers provider
//	                v                                |
//	registry --pull--> root --build--> base --build--> redis, nginx, ...   Image
//	package mirror --mmdebstrap--^                                 |
//	                                  this executable --import--> self     Self
//
// Three rules shape it.
//
// Nothing leaves the machine but package downloads and, for a base image, one
// bounded try at a registry. The engine must be behind a local unix socket,
// and published ports are dialled at loopback; Connect refuses anything else.
//
// Everything is made once. A reference is a hash of what goes into the image
// (see package images), so "is it there" is one question to the engine, and
// any number of processes may ask for the same image at the same time.
//
// Every failure a user can meet is a [Problem]: what, why, and what to do.
package engine
