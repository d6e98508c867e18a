"""Is this convolution right? A differential test and verification harness for convolution and pooling."""
