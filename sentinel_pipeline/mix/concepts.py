"""Words of a request brought to what they mean: synonyms of programming tasks in English, and the
same words in Portuguese, Spanish, French, German and Chinese, have one concept.

A reworded or translated prompt shares few words with its item and most concepts. Words that the
table does not know are cut to their first letters, so that inflections and cognates fall together
(``palindrome``, ``palíndromo``). What this module does not do: translate, or know a grammar.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

STEM = 5
"""Letters of an unknown word that count."""

GENERIC = frozenset(
    f"={name}"
    for name in (
        "find",
        "calculate",
        "check",
        "count",
        "number",
        "integer",
        "element",
        "list",
        "string",
        "letter",
        "consist",
    )
)
"""Concepts that a rewording exchanges for each other."""
OPPOSITES = tuple(
    frozenset(group.split())
    for group in (
        "=even =odd", "=maximum =minimum", "=first =last", "=sum =product =difference",
        "=left =right", "=greater =less", "=positive =negative", "=upper =lower", "=upper =less", "=square =cube =root",
        "=length =short", "=two =three", "lcm gcd", "=area =volume =perimeter", "=row =column",
        "=insert =remove", "=zero one", "vowel conso", "isosc equil scale", "fourt fifth",
        "inter union",
    )
)  # fmt: skip
"""Concepts that make one task another when they are exchanged."""
_WORDING = """
a an the of to in on at for from by with and or as is are be been it its that this these those
which who whose what when where
write writes written create creates make makes implement implements develop code codes program
function functions method methods
routine python javascript typescript return returns give gives given gives back supplied provided
please help me my i you your we
us our need want would could should can will do does done take takes accept accepts input inputs
output using use used way there
have has if whether not then else one some any also so such into out over able show tell let
name named call called argument
arguments parameter parameters following every how much just of within following all only true
false than having each other others always note should assume their them together another but t re
th nth esimo esima n-th following regex regexp
lambda module library brief briefly explain result results thanks work solve solution answer task
problem example examples

uma um o os as de da das dos em no na nos nas que escreva escreve escrever crie faca implemente
funcao retorne retorna retornar
devolva dado dada dados dadas para por com se ou e seja ser ao aos pelo pela usando uso mesmo nao
qual quais ha

un una el la los las del en escribe escriba escribir crea haz funcion devuelve devuelva retorne
para por con si y lo su sus al
como cual usando utilizando no sea toda todos todas cada

une le les des du dans ecris ecrire ecrivez cree fonction renvoie renvoyer retourne donne donnee
donnes pour par avec et qui est
au aux sur leur leurs son sa ses utilisant ou pas d l qu s tous toutes chaque

ein eine einen einem einer eines der die das den dem von und oder schreibe schreib erstelle
funktion gib gibt zuruck gegebene
gegebenen gegeben fur mit ob aus zu zum zur ist sind wird werden durch im in auf des sich nicht
verwende deren dessen alle aller allen

编写 写 写出 一个 个 函数 程序 的 给定 返回 来 在 中 是 是否 和 用 使用 该 所有 并 与 将 把 请 实现
  它 这 有 其 从 到 各 取 对 为 以 时 或 了
"""
"""Words that most requests hold in any wording."""

_CONCEPTS = """
find: find finds finding determine determines locate search identify detect obtain get gets fetch
  encontr encuentr busc hall localiz trouv
  cherch finde findet suche ermitt identif determin 查找 找出 找到 寻找 求 检测
calculate: calculate calculates compute computes evaluate calcul comput berechn 计算
check: check checks test tests verify verifies validate decide verif compro prufe uberpruf valid
  检查 判断 验证 确认
count: count counts tally many amount quantity conta contar conte contag cuenta quantid cantid
  compte comptez anzahl zahle zahlt
  combien 数量 个数 多少 统计
number: number numbers num nums numeric numero numeros nombre nombres zahl zahlen 数 数字
integer: integer integers int ints inteiro inteiros inteira entero enteros entier entiers ganzzahl
  ganze ganzen 整数
sum: sum sums add adds adding addition total plus soma somar somas suma sumas sumar somme sommes
  summe addier 和 总和 求和 之和 相加
difference: difference subtract subtracts minus substract diferenc differen subtra resta restar
  soustr differenz subtrah 差 减去
product: product products multiply multiplies times produto multipl producto produit produkt 乘积
  相乘
list: list lists array arrays sequence sequences secuenc sequenz collection lista listas vetor
  arreglo arreglos arranjo liste listes listen tableau
  tableaux vecteur folge 列表 数组 序列
sublist: sublist sublists subarray subarrays sublista subarreglo sousliste teilliste 子列表 子数组
tuple: tuple tuples tupla tuplas tupel 元组
string: string strings str text texts cadena cadenas chaine chaines zeichenkette zeichenfolge
  texto texte 字符串 文本
substring: substring substrings subcadena substr sousch teilstring 子串 子字符串
letter: character characters char chars letter letters caracter caractere caracteres caract
  zeichen buchstabe buchstaben letra letras
  lettre lettres 字符 字母
word: word words palavra palavras palabra palabras mot mots wort worter 单词 词
vowel: vowel vowels vogal vogais vocal vocales voyelle voyelles vokal 元音
digit: digit digits digito digitos cifra cifras algarismo chiffre chiffres ziffer ziffern 位数 数位
element: element elements item items entry entries member members value values elemento elementos
  valor valores valeur valeurs
  elemente elementen wert werte 元素 值 项
maximum: maximum max maximal largest biggest greatest highest most maior maiores mayor mayores
  maxim grand grands grosste grosstes
  grossten hochst 最大 最大值 最高
minimum: minimum min minimal smallest least lowest fewest menor menores minim petit petits
  kleinste kleinsten kleinstes 最小 最小值 最低
length: length long longest longer size comprim longitud longueur larga lange langste longo
  tamanho tamano taille 长度 最长 长
short: short shortest shorter curto corto court kurz 短 最短
first: first leading begin beginning start starts primeir primer primera primero premier premiere
  premiers erste ersten erstes
  anfang inicio debut comec 第一 第一个 首 开头
last: last trailing final end ends ultim dernier derniere letzt fim ende 最后 末尾 结尾
sort: sort sorts sorted order ordered arrange ascending orden ordene tri trier trie triee sortier
  sortiere 排序 顺序 升序
reverse: reverse reverses reversed invert backwards backward inverso inversa inverse inverser
  umkehr invers 反转 逆序 倒序
remove: remove removes removed delete deletes deleted drop drops discard eliminate strip remov
  elimin supprim retir enlev entfern
  loesch losch 删除 移除 去除
even: even evens pares pairs paire gerade geraden 偶数
odd: odd odds impar impares impair impairs ungerad 奇数 奇
divide: divisible divide divides divisor divisors multiple multiples factor factors divis teilbar
  teiler diviseur fator 整除 可整除 因数 因子 除
square: square squares squared quadrado quadrad cuadrado cuadrad carre carres quadrat 平方 正方形
cube: cube cubes cubo cubos wurfel wurfels 立方 立方体
root: root roots raiz racine wurzel 根
power: power powers exponent potencia potencias potenc puissance puissances potenz potenzen 幂 次方
area: area surface superficie flache aire 面积 表面积
circle: circle circles circulo cercle kreis 圆
common: common shared intersection intersect comum comuns comun comunes commun intersec inters
  gemeinsam schnittmenge 共同 交集 公共
repeat: duplicate duplicates duplicated repeated repeating repeat recurring occur occurs
  occurrence occurrences frequency repet
repetid duplic duplicado doublon wiederhol vorkommen vorkommt frequen appear appears ocorrem ocurr
  重复 出现 次数 频率
unique: unique distinct once different unico unicos unic eindeutig distint unterschied 唯一 不同
index: index position positions indice posicao posicion posic indic rang stelle 索引 位置
negative: negative negatives negativ negativo negativos below 负数 负
positive: positive positives positivo positivos positiv 正数 正
zero: zero zeros null cero nulle 零
greater: greater above up larger bigger more exceed exceeds superieur superior grosser uber mais
  大于
  超过
less: less fewer smaller under lower inferieur inferior kleiner unter menos 小于 低于 少于
equal: equal equals same identical alike igual iguais iguales egal egaux identi identiq gleich
  相同 相等 一样
convert: convert converts converted transform transforms turn turns change changes translate
  convertir converter transforma umwandel
  wandelt umwand umrechn wandle 转换 转化 变成
replace: replace replaces replaced substitute swap substitu reemplaz remplac ersetz tausch 替换 交换
insert: insert inserts append prepend prefix put inser anex einfug 插入 添加
two: two second both pair dois duas dos segundo segunda deux zwei zweite second 两 两个 第二 第二个
three: three third tres terceir tercer trois troisieme drei dritte 三 三个 第三
consecutive: consecutive successive adjacent neighbouring neighboring consecut consecutif
  aufeinander adjacen benachbart 连续 相邻
order: increasing decreasing crescent crecient decrois croissant aufsteigend absteigend monoton
  monotonic
combine: merge merges combine concatenate join joins combin fusion concat zusammen kombin unir
  合并 连接
split: split splits divide separate separ dividir diviser aufteil trenn 分割 拆分
interval: range interval between intervalo rango intervalle plage bereich interva 范围 区间 之间
dictionary: dictionary dictionaries dict mapping diccionario dicionario dictionnaire worterbuch 字典
matrix: matrix matrices matriz matrice 矩阵
consist: contain contains containing consist hold holds include includes present exists contem
  contiene contienen contien contenant
  contient enthalt enthal existe 包含 存在 含有
average: average mean media medio moyenne durchschnitt mittelwert promedio 平均 平均值
median: median mediana mediane 中位数
prime: prime primes primo primos primzahl primzahlen 质数 素数
empty: empty vacio vacia vazio vazia vide leer leere leeren 空 为空
extract: extract extrai extraer extraire extrahier 提取
upper: uppercase upper capital capitals mayuscula maiuscula majuscule gross grossbuchstabe
  grossbuchstaben 大写
lower: lowercase lower minuscula minuscule kleinbuchstabe kleinbuchstaben 小写
binary: binary binar binario binaire 二进制
octal: octal oktal oktalzahl 八进制
decimal: decimal decima dezimal dezimalzahl 十进制 小数
triangle: triangle triangles triangulo dreieck 三角形
rectangle: rectangle rectangles rectangul retangul rechteck 矩形
cylinder: cylinder cilindro cylindre zylinder 圆柱 圆柱体
natural: natural naturais naturales naturel naturels naturliche naturlichen 自然数 自然
nested: nested anidad aninhad imbriqu verschachtelt geschachtelt 嵌套
space: space spaces whitespace whitespaces espaco espacio espace leerzeichen 空格
heap: heap monticulo tas haufen 堆
queue: queue cola fila file warteschlange 队列
match: match matches matching coincide coincid combina correspond entspr passt 匹配
print: print prints imprim afficher ausgeben druck 打印
subsequence: subsequence subsequences subsecuenc subsequenc sousseq teilfolge 子序列
subset: subset subsets subconjunto sousensemble teilmenge 子集
set: set sets conjunto ensemble menge 集合
right: right direita derecha droite rechts 右 右边
left: left esquerda izquierda gauche links 左 左边
month: month months mes meses mois monat monats 月 月份
day: day days dia dias jour jours tag tage 天 日
date: date dates fecha data datum 日期
hour: hour hours hora horas heure stunde 小时
time: time tempo tiempo temps zeit 时间
volume: volume volumen 体积
perimeter: perimeter perimetr umfang 周长
rotate: rotate rotates rotation rotations rotated rodar girar gira rotar tourner drehen dreh 旋转
next: next proxim siguient suivant nachst 下一个
missing: missing faltante faltando manquant fehlend fehlende 缺失
palindrome: palindrom 回文
group: group groups agrup grupo gruppe grouper gruppier 分组 组
sentence: sentence sentences frase frases oracion phrase satz satze 句子
path: path paths caminho camino chemin pfad weg 路径
graph: graph graphs grafo graphe graphen 图
tree: tree trees arvore arbol arbre baum 树
node: node nodes nodo noeud knoten 节点
row: row rows filas linha linhas lignes ligne zeile zeilen 行
column: column columns coluna columna colonne spalte spalten 列
distance: distance distancia abstand entfernung 距离
coordinate: coordinate coordinates coorden coordonn koordinat 坐标
key: key keys chave clave clef cle schlussel 键
factorial: factorial factori fakultat 阶乘
fibonacci: fibonacci fibonac 斐波那契
absolute: absolute absoluto valeurabs absolut 绝对 绝对值
base: base basis 进制
bit: bit bits 位
bracket: bracket brackets parenthes parentes klammer 括号
digitsum: modulo resto remainder rest 余数
grid: grid grade rejilla grille gitter 网格
move: move moves moved mover mueve deplac verschieb 移动
message: message messages mensagem mensaje nachricht 消息
encode: encode encoded encoding encrypt codific cifrar encod codier verschlussel 编码 加密
decode: decode decoded decrypt decodific dechiffr decod dekodier entschlussel 解码 解密
program: programm programa 程序
question: question pregunta pergunta frage 问题
shape: shape formed form forma forme 形状
price: price cost costs prices preco precio prix preis kosten coste custo 价格 费用 成本
money: money dinheiro dinero argent geld 钱
colour: color colour colors cores colores couleur farbe farben 颜色
alternate: alternate alternating alternates alterna altern abwechselnd wechsel 交替
compress: compress comprim 压缩
schedule: schedule plan agenda programar planifier planen 安排 计划
overlap: overlap overlapping overlaps sobrep solap chevauch uberlapp 重叠
flip: flip flips toggle cambio cambios troca basculer 翻转
possible: possible posible possivel moglich 可能
need: required require requires necesari necessari erforderlich notig 需要
rectangular: regular regelmassig
mixed: mixed mista mixta mixte gemischt 混合
represent: represent represented represents representa repres dargestellt darstell 表示
year: year years ano anos annee jahr 年
bank: bank banco banque 银行
country: country countries pais paises 国家
account: account conta cuenta compte konto 账户
balance: balance saldo solde kontostand 余额
"""
"""Concept -> words, or beginnings of words, without accents."""


def _tables() -> tuple[frozenset[str], dict[str, str]]:
    concepts: dict[str, str] = {}
    name = ""
    for line in _CONCEPTS.strip().split("\n"):
        head, mark, rest = line.partition(": ")
        if mark and not line.startswith(" "):
            name = head
        for word in (rest if mark else line).split():
            concepts.setdefault(word, name)
    return frozenset(_WORDING.split()), concepts


_STOP, _NAMES = _tables()
_ENGLISH = frozenset(
    (
        "a",
        "an",
        "the",
        "of",
        "to",
        "in",
        "from",
        "by",
        "with",
        "that",
        "is",
        "are",
        "and",
        "write",
        "return",
        "given",
    )
)
_FOREIGN = _STOP - frozenset(_WORDING.strip().split("\n\n")[0].split())


@lru_cache(maxsize=65_536)
def concept(word: str) -> str:
    """What a lower-case word means, or "" where it is wording."""
    if not word.isascii():
        parts = unicodedata.normalize("NFD", word)
        word = "".join(mark for mark in parts if not unicodedata.combining(mark))
    if word in _STOP:
        return ""
    for length in range(len(word), 3, -1):
        name = _NAMES.get(word[:length])
        if name is not None:
            return f"={name}"
    return f"={_NAMES[word]}" if word in _NAMES else _stem(word)


_ONE_SPELLING = str.maketrans("kz", "cc")


def _stem(word: str) -> str:
    """An unknown word without its ending; short words and numbers are what they are."""
    if len(word) > 3 and word.isascii() and word[-1] == "s" and word[-2] != "s":
        word = word[:-1]
    # German spells k and z what the others spell c.
    return word[:STEM].translate(_ONE_SPELLING)


def concepts(words: list[str]) -> list[str]:
    """What a request's words mean, in their order."""
    return [name for name in map(concept, words) if name]


def foreign(words: list[str]) -> bool:
    """Whether a request is written in a language other than English, by its small words."""
    return sum(word in _FOREIGN for word in words) > sum(word in _ENGLISH for word in words)
