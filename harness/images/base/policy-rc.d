#!/bin/sh
# A package must never start its daemon while an image is built, nor in a
# container whose process the harness chose. 101 means "not allowed".
exit 101
