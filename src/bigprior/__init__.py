"""bigprior"""
