"""Requests for programs, each told again in other words and in another language, all by hand.

``DEVELOPMENT`` is what bars were chosen on, ``JUDGED`` what is reported and nothing was chosen by.
Each row: what is asked, in other words, in another language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sentinel_pipeline.records import Message, PythonTests, Task

Rewording = tuple[str, str, str]


def as_items(suites: Mapping[str, Sequence[Rewording]]) -> list[Task]:
    """What is asked, as items of suites of these names; their tests and programs say nothing."""
    return [
        Task(
            id=f"{suite}/{number}",
            suite=suite,
            category="executable_code",
            family=suite,
            messages=(Message("user", asked),),
            verifier=PythonTests(tests="assert True"),
            reference="",
        )
        for suite, tasks in suites.items()
        for number, (asked, _, _) in enumerate(tasks)
    ]


DEVELOPMENT = (
    (
        "Write a function to find the second largest salary in a list of employees.",
        "Who earns the most after the top earner? Give code that tells the pay.",
        "Escreva uma função que encontre o segundo maior salário numa lista de funcionários.",
    ),
    (
        "Write a function to check if two rectangles overlap.",
        "Do a pair of axis-aligned boxes share any area?",
        "Schreibe eine Funktion, die prüft, ob sich zwei Rechtecke überschneiden.",
    ),
    (
        "Write a function to convert Roman numerals to integers.",
        "Read numbers such as XIV and tell their value.",
        "Écrivez une fonction qui convertit des chiffres romains en nombres entiers.",
    ),
    (
        "Write a function to generate all permutations of a string.",
        "List every ordering that the characters of a text can have.",
        "Escribe una función que genere todas las permutaciones de una cadena.",
    ),
    (
        "Write a function to find the longest common prefix of several words.",
        "With which letters do all of these words begin? As many letters as possible.",
        "编写一个函数,找出多个单词的最长公共前缀。",
    ),
    (
        "Write a function to flatten a nested list.",
        "Turn lists inside of lists into a single level.",
        "Escreva uma função para achatar uma lista aninhada.",
    ),
    (
        "Write a function to compute the greatest common divisor of two numbers.",
        "Which is the biggest integer that divides both of two values?",
        "Schreibe eine Funktion, die den größten gemeinsamen Teiler zweier Zahlen berechnet.",
    ),
    (
        "Write a function to check whether a number is perfect.",
        "Does an integer equal the sum of its proper divisors?",
        "Écris une fonction qui vérifie si un nombre est parfait.",
    ),
    (
        "Write a function to calculate the area of a polygon from its vertices.",
        "Given the corners of a shape with straight sides, how much surface does it cover?",
        "Escribe una función que calcule el área de un polígono a partir de sus vértices.",
    ),
    (
        "Write a function to group words by their first letter.",
        "Put words that start alike, by initial, into the same bucket.",
        "Escreva uma função que agrupe palavras pela primeira letra.",
    ),
    (
        "Write a function to balance a chemical equation.",
        "Find the coefficients that give both sides of a reaction the same atoms.",
        "Scrivi una funzione che bilanci un'equazione chimica.",
    ),
    (
        "Write a function to rotate a linked list by k places.",
        "Shift the nodes of a chain of nodes by k, those that fall off come back in front.",
        "Écrivez une fonction qui fait tourner une liste chaînée de k positions.",
    ),
    (
        "Write a function to find the missing number in a sequence from 1 to n.",
        "One of the integers up to n was left out. Which?",
        "Schreibe eine Funktion, die die fehlende Zahl in einer Folge von 1 bis n findet.",
    ),
    (
        "Write a function to validate a sudoku board.",
        "Does a filled nine by nine puzzle break any of the rules about digits?",
        "Escribe una función que valide un tablero de sudoku.",
    ),
    (
        "Write a function to convert a temperature from Celsius to Fahrenheit.",
        "How many degrees in the American scale are so many degrees centigrade?",
        "编写一个函数,把摄氏温度转换为华氏温度。",
    ),
    (
        "Write a function to count the vowels in a sentence.",
        "How often do a, e, i, o and u occur in some text?",
        "Escreva uma função para contar as vogais de uma frase.",
    ),
    (
        "Write a function to find the intersection of two sorted arrays.",
        "Two ordered lists are given; which values are in both?",
        "Escribe una función que halle la intersección de dos arreglos ordenados.",
    ),
    (
        "Write a function to serialize a binary tree to a string.",
        "Store a tree in which each node has up to two children as text.",
        "Schreibe eine Funktion, die einen Binärbaum in eine Zeichenkette serialisiert.",
    ),
    (
        "Write a function to calculate compound interest.",
        "What does money in a savings account grow to when interest earns interest?",
        "Écris une fonction qui calcule les intérêts composés.",
    ),
    (
        "Write a function to find the shortest word ladder between two words.",
        "Changing a letter at a time, each step a word: in how few steps does a word become another?",
        "Escreva uma função que encontre a menor escada de palavras entre duas palavras.",
    ),
)
JUDGED = (
    (
        "Write a function to compute the volume of a cone.",
        "How much fits into a cone of some radius and height? Implement it.",
        "Escreva uma função para calcular o volume de um cone.",
    ),
    (
        "Write a function to find the most frequent visitor of a web site from its log.",
        "An access log is given. Which address shows up more than any other?",
        "Escribe una función que encuentre al visitante más frecuente de un sitio web a partir de su registro.",
    ),
    (
        "Write a function to check whether parentheses are balanced.",
        "Does every opening bracket have its closing one, properly nested?",
        "Écris une fonction qui vérifie si les parenthèses sont équilibrées.",
    ),
    (
        "Write a function to compute the power set of a set.",
        "List all subsets that the members of a set can form.",
        "Schreibe eine Funktion, die die Potenzmenge einer Menge berechnet.",
    ),
    (
        "Write a function to parse a query string into a dictionary.",
        "Take the part of an address after the question mark and give its keys with values.",
        "编写一个函数,把查询字符串解析成字典。",
    ),
    (
        "Write a function to find the closest pair of points in a plane.",
        "Among many points in two dimensions, which two are nearest to each other?",
        "Escreva uma função que encontre o par de pontos mais próximos num plano.",
    ),
    (
        "Write a function to multiply two matrices.",
        "Compute the product of a matrix with another.",
        "Escribe una función para multiplicar dos matrices.",
    ),
    (
        "Write a function to detect a cycle in a directed graph.",
        "Following the arrows of a graph, can one come back to where one began?",
        "Écrivez une fonction qui détecte un cycle dans un graphe orienté.",
    ),
    (
        "Write a function to count the leap years between two years.",
        "In a span of years, how many have a February of 29 days?",
        "Schreibe eine Funktion, die die Schaltjahre zwischen zwei Jahren zählt.",
    ),
    (
        "Write a function to shuffle a deck of cards.",
        "Put the cards of a pack in random order.",
        "Escreva uma função para embaralhar um baralho de cartas.",
    ),
    (
        "Write a function to find the kth smallest element in an unsorted array.",
        "An array is in no order; give the value that would be at place k if it were.",
        "编写一个函数,求未排序数组中第k小的元素。",
    ),
    (
        "Write a function to compute the edit distance with swaps of neighbouring letters.",
        "How many insertions, deletions, changes and transpositions turn one word into another?",
        "Escribe una función que calcule la distancia de edición con intercambio de letras vecinas.",
    ),
    (
        "Write a function to format a number of seconds as hours, minutes and seconds.",
        "Show a duration that is given in seconds as HH:MM:SS.",
        "Écris une fonction qui formate un nombre de secondes en heures, minutes et secondes.",
    ),
    (
        "Write a function to estimate pi by a Monte Carlo simulation.",
        "Throw random points at a square and derive the circle constant from those inside.",
        "Schreibe eine Funktion, die Pi durch eine Monte-Carlo-Simulation schätzt.",
    ),
    (
        "Write a function to remove duplicate lines from a file.",
        "Keep each line of a text file once.",
        "Escreva uma função para remover linhas duplicadas de um arquivo.",
    ),
    (
        "Write a function to solve the eight queens puzzle.",
        "Place eight queens on a chess board so that none attacks another.",
        "Escribe una función que resuelva el problema de las ocho reinas.",
    ),
    (
        "Write a function to compute a moving average over a window of k values.",
        "Smooth a series: each value becomes the mean of the k around it.",
        "Écris une fonction qui calcule une moyenne mobile sur une fenêtre de k valeurs.",
    ),
    (
        "Write a function to merge overlapping time slots of a calendar.",
        "Appointments that overlap are to become a single one.",
        "Schreibe eine Funktion, die überlappende Termine eines Kalenders zusammenführt.",
    ),
    (
        "Write a function to generate a random password of a given length.",
        "Make up a secure pass phrase of n characters.",
        "Escreva uma função que gere uma senha aleatória de um dado comprimento.",
    ),
    (
        "Write a function to compute the Hamming distance between two strings.",
        "At how many places do two texts of the same length differ?",
        "编写一个函数,计算两个字符串之间的汉明距离。",
    ),
    (
        "Write a function to convert an infix expression to postfix notation.",
        "Rewrite arithmetic with operators between operands so that operators come last.",
        "Escribe una función que convierta una expresión infija a notación postfija.",
    ),
    (
        "Write a function to find the maximum profit from buying and selling a stock once.",
        "Prices of shares by day are given. Buy on a day and sell later: what is the best gain?",
        "Écris une fonction qui trouve le profit maximal en achetant et vendant une action une fois.",
    ),
    (
        "Write a function to check whether a string is a valid email address.",
        "Is some text an e-mail address as it should be?",
        "Schreibe eine Funktion, die prüft, ob eine Zeichenkette eine gültige E-Mail-Adresse ist.",
    ),
    (
        "Write a function to find all paths from the root of a tree to its leaves.",
        "List the ways down from the top node to every node without children.",
        "Escreva uma função que encontre todos os caminhos da raiz de uma árvore até as folhas.",
    ),
    (
        "Write a function to compute the day of the week of a date.",
        "Was a given date a Monday, a Tuesday, or which other day?",
        "Escribe una función que calcule el día de la semana de una fecha.",
    ),
    (
        "Write a function to count the words in a text file.",
        "How many words does a file of text have?",
        "Écris une fonction qui compte les mots d'un fichier texte.",
    ),
    (
        "Write a function to simulate Conway's game of life for one generation.",
        "Cells live or die by their neighbours: compute the next state of Conway's automaton.",
        "Schreibe eine Funktion, die Conways Spiel des Lebens um eine Generation simuliert.",
    ),
    (
        "Write a function to find the longest increasing subsequence.",
        "Leave out numbers of a list so that the rest always rises and is as long as can be.",
        "编写一个函数,求最长递增子序列。",
    ),
    (
        "Write a function to compute the checksum of an ISBN.",
        "Work out the last digit of a book's number from the others.",
        "Escreva uma função que calcule o dígito verificador de um ISBN.",
    ),
    (
        "Write a function to draw a circle on a bitmap.",
        "Set the pixels of an image that lie on a circle.",
        "Escribe una función que dibuje un círculo en un mapa de bits.",
    ),
    (
        "Write a function to find articulation points of a network.",
        "Which nodes, when they fail, break a connected network apart?",
        "Écrivez une fonction qui trouve les points d'articulation d'un réseau.",
    ),
    (
        "Write a function to translate a DNA sequence into amino acids.",
        "From bases to protein: give the acids that triplets of DNA stand for.",
        "Schreibe eine Funktion, die eine DNA-Sequenz in Aminosäuren übersetzt.",
    ),
    (
        "Write a function to compute the least number of coins for an amount.",
        "Pay a sum with as few coins as possible.",
        "Escreva uma função que calcule o menor número de moedas para um valor.",
    ),
    (
        "Write a function to capitalize the first letter of each word.",
        "Make every word of a text begin with a big letter.",
        "Escribe una función que ponga en mayúscula la primera letra de cada palabra.",
    ),
    (
        "Write a function to compute the standard deviation of a sample.",
        "How widely do measurements spread around their mean? Use the usual statistic.",
        "Écris une fonction qui calcule l'écart type d'un échantillon.",
    ),
    (
        "Write a function to implement a least recently used cache.",
        "Build a cache that throws out what has not been asked for the longest.",
        "Schreibe eine Funktion, die einen LRU-Cache implementiert, der das am längsten nicht benutzte Element verwirft.",
    ),
    (
        "Write a function to find the largest rectangle in a histogram.",
        "Bars stand side by side; how big is the biggest box that they contain?",
        "Escreva uma função que encontre o maior retângulo num histograma.",
    ),
    (
        "Write a function to check whether a year is a leap year in the Gregorian calendar.",
        "Does February of some year have 29 days?",
        "编写一个函数,判断公历中的某一年是否为闰年。",
    ),
    (
        "Write a function to split a bill among friends with a tip.",
        "Friends share the cost of a dinner and the tip: what does each of them pay?",
        "Escribe una función que reparta una cuenta entre amigos con propina.",
    ),
    (
        "Write a function to convert text to Morse code.",
        "Spell a message in dots and dashes.",
        "Écris une fonction qui convertit un texte en code Morse.",
    ),
)
