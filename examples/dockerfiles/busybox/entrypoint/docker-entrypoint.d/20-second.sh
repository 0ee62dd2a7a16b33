#!/bin/sh
echo second in $PWD
