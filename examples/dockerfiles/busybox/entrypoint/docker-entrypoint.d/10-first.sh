#!/bin/sh
echo first as $(id -u)
